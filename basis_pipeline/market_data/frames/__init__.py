"""What an engine sees of validated data: `requirements` says which series, `frame` aligns them as of each timestep.

`series` loads one, `lookups` when its values became known, `columns` and `panel` make the values by slot, `rewards` the
distributions, `coverage` the months that can be run at all.
"""
