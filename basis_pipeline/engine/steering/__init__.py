"""What the strategy manager asks before it decides: has the book drifted, may it enter, does its leverage still pay."""
