"""Market data: vendor files become validated Parquet, and validated Parquet becomes what an engine sees.

::

    raw files --scanning--> recognised files     sources/    one module per vendor layout
              --preparing-> finished series      rules/      declared repairs, each entered in the series' ledger
                                                 schemas     what a dataset allows, derived from the registry
                                                 checks/     what is worth knowing; changes nothing
              --publishing-> months              validated   the read side; file lists from manifests only
    validated months --frames--> market frame    frames/     as-of columns; nothing known after t is visible at t

`ingestion` runs the first three; `datasets` is the registry that the rest derives from; `corrections` types what
`configs/data/*.yaml` declares about sources. To add a vendor layout, write one module in `sources/` and name it in its
registry. To add a repair, write a function from series to series in `rules/` and a key in `corrections`.
"""
