"""The Heston fit of one underlying: parameters, errors by contract, and where models disagree."""
