"""The verbs, one file each: a straight coroutine that runs until the verb is over and says what comes next.

A verb is ``async def run(call, verb, base_url) -> Next``. The caller's hang-up cancels it; what must happen then stands
in its ``finally``.
"""
