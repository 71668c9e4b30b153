"""What stands under the root, and when it is whole."""
