"""Images to vectors, in the space of a model's texts: towers of images, converted and by torch.

Texts go the same way as with any model, by the modules above; reading image files is in
``indexer.readers``. Importing the package imports no model library.
"""
