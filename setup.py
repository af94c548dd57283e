"""Packaging shim: Beam's --setup_file wants this name; the facts are in pyproject.toml.

Give ``--setup_file`` an absolute path: Beam changes into the path's directory.
"""

from setuptools import setup

setup()
