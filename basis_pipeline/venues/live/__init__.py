"""Clients of real venues. Nothing here is imported by a backtest.

::

    clients                which client an action goes through: environment, venue, operation; nowhere else
    exchanges              cex: journal, send once, find out (fates), book (booking, foreign_fees)
                           exchange: what is asked of one; ccxt_exchange, dialects*: how each one answers
                           account_checks: accounts whose answers could not be booked; account: who else is on one
                           feed: prices
    the chain              onchain: one account, one contract (contracts/), limits (onchain_limits)
                           programs, calls, abi: an order as one transaction; transactions: signed, journalled, found
                           swap_prices: what a swap must bring; offers: what a transaction offers for gas
                           booking_chain, arrivals: from receipts and events to the books; chain_feed: prices, indices
                           chain, rpc: the node; deployment, deployment_check: which contracts, and that they are those
                           queues, redemptions, booking_redemptions: what waits at the issuer of staked tokens
    funds between venues   withdrawals, transit; funds and ccxt_funds, dialects_funds, wallet_end: where they end
    both at once           hybrid_feed
    asking                 answers (refusal or silence), patience (asked again), transport, spelling, extra
"""
