"""What a sweep leaves behind: its points (`parts`), tables, ranking, page, and how far the best of them is luck."""
