"""Sessions in real time.

::

    plan -> parts        what a session is made of: venues, exchanges, chain, clock; every refusal before one is opened
    session              the loop: recovery (a start), comparison (every tick), delays, report
    operator, emergency  what stops it: stop (signals), emergency and its lifting, acknowledgements
    redemptions, receipts what the chain brings: what issuers pay, what strangers send; held: a silent node
    lock, foreign_orders who else is on an account; listings: what its exchange changes; fee_watch: what it charges
    record -> results    what a tick leaves in the journal, and the tables made of it: tables, publishing, compare
                         (replayed_redemptions: those of the record, in its replay)
    status, page, log    what people see: alerts, alarms, unexplained, hearing (questions to venues), surroundings
"""
