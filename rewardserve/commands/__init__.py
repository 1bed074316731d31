"""Subcommands of `trimtab reward`, one file each; heavy imports wait until one is run."""
