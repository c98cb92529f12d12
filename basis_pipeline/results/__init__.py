"""What a run leaves behind: tables, months on disk, SQL over them, figures, reports, exports.

``tables`` states every column; ``build`` fills them from a run log; ``store`` publishes months; ``catalog`` answers
SQL; ``metrics`` computes figures; ``report``, ``overview`` and ``pictures`` show them; ``export`` writes CSV. All of it
reads through ``store`` and so sees published months only.
"""
