"""The append-only record of a live session: intents, outcomes, states, settlements, everything an operator did."""
