"""SQL over the published results: `catalog` answers, `views` and `summaries` are what there is to ask.

`table_macros` are questions with parameters (one file each in `macros/`), `hints` what a wrong name probably meant.
"""
