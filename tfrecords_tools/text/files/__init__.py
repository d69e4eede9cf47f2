"""The bytes of a text: the files that an input names, packed or not, in whatever encoding."""
