"""What every implementation of a contract must show; its own test subclasses the class here and adds its numbers."""
