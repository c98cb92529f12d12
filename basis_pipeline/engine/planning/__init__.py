"""From targets to ordered orders: `order_planner`, with one planner per kind of leg, on a projected book."""
