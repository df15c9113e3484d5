"""The models of the paper's programme by name."""

VARIANTS = {
    "pmf": "PMF",
    "biased": "biased PMF",
    "asdae": "autoencoder alone",
    "cnn": "network alone",
    "both": "both",
    "bayes": "both, sampled",
}
BOTH = "both"
RANK = "rank="  # … a number: both, with another dimension
REGULARISATION = "regularisation×"  # … a factor: both, with another regularisation
