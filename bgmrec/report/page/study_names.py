"""Names of the models and baselines of the paper's experiments."""

VARIANTS = {
    "pmf": "PMF",
    "biased": "biased PMF",
    "asdae": "autoencoder alone",
    "cnn": "network alone",
    "both": "both",
    "bayes": "both, sampled",
}
BASELINES = {  # of the cold protocol
    "mean": "mean of the warm side",
    "bias": "user and item bias",
    "popularity": "expected popularity",
    "genre_popularity": "expected popularity, by genre",
    "content_knn": "similar tracks",
    "knn_popularity": "similar × expected popularity",
}
BOTH = "both"
RANK = "rank="  # followed by a number: the model `both` with this number of latent dimensions
REGULARISATION = "regularisation×"  # followed by a factor: the model `both` with its regularisation multiplied
