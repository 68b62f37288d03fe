"""How predictions are made: plan, predict, attack, store. The only folder that runs a model over a set."""
