"""What payments and the registry mean: pure values, deciders and folds; no clock, no I/O."""
