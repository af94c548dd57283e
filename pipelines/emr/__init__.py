"""Launches on Amazon EMR: a step on a cluster's primary node, or a job run on EKS."""
