"""Quality gates: one declaration and one pure function each over the evidence of a month. Start at `registry`."""
