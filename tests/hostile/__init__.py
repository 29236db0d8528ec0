"""An hour of hostility: `make hostile MINUTES=60`.

One agent on a real Engine is attacked from all sides at once: containers with hostile lines and
labels go through every stage, clients send rubbish to its sources and to its HTTP endpoint, and one
of its destinations misbehaves. Meanwhile it is watched: whether it lives, whether its books
balance, how long its loop stands still, how much memory it takes, and whether honest neighbours
notice.
"""
