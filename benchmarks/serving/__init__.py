"""Times a served model beside transformers on PyTorch; see `__main__`."""
