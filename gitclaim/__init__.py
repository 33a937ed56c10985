"""gitclaim: the git remote as the claim registry."""

__version__ = "0.1.0"
