"""Sessions in real time.

::

    plan -> parts        what a session is made of: venues, exchanges, chain, clock; every refusal before one is opened
    session              the loop: recovery (a start), comparison (every tick), delays, report
    operator, emergency  what stops it: stop (signals), emergency and its lifting, acknowledgements
    lock, foreign_orders who else is on an account; listings: what its exchange changes; fee_watch: what it charges
    record -> results    what a tick leaves in the journal, and the tables made of it: tables, publishing, compare
    status, page, log    what people see: alerts, alarms, unexplained, hearing (questions to venues), surroundings
"""
