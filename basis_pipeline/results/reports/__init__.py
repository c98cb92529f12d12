"""Pages that people read: one per record (`report`), one over all (`overview`), one that compares (`comparison_page`).

A page is one file that opens offline. `record` loads what it is about; `headline`, `health`, `evidence` and `timings`
make its sections; `panels`, `risk` and `carry` its charts as data, which `chart` thins and `assets/report.js` draws.
"""
