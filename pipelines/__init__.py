"""What to do: pipelines made of the transforms, and the command that runs them."""
