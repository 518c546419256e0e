"""The commands: from typed settings to a folder of results."""
