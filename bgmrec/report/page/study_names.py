"""The models of the paper's programme, and what they are compared with, by name."""

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
RANK = "rank="  # … a number: both, with another dimension
REGULARISATION = "regularisation×"  # … a factor: both, with another regularisation
