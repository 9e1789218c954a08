"""Static models: a vector for each token, and a text's is their mean. NumPy alone runs them.

They are sentence-transformers models with a StaticEmbedding in place of a transformer, as
model2vec and ``bearing distil`` make them. Importing the package reads no model.
"""
