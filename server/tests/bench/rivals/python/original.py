"""The asyncio design that hedging servers in Python began with: an async view of Flask, which runs each request on an event
loop of its own, with a session of its own."""

import asyncio
import json
import os

import aiohttp
from flask import Flask, Response, request

import leash

leash.put_on()
UPSTREAM = os.environ["UPSTREAM"]
app = Flask(__name__)


async def attempt(session: aiohttp.ClientSession, delay: float):
    await asyncio.sleep(delay)
    async with session.get(UPSTREAM) as response:
        if response.status != 200:
            raise ValueError(response.status)
        # Raises for another type than JSON, and for what does not parse.
        return await response.json()


async def race():
    async with aiohttp.ClientSession() as session:
        tasks = [asyncio.create_task(attempt(session, delay)) for delay in (0, 0.3, 0.3)]
        try:
            for done in asyncio.as_completed(tasks):
                try:
                    return {"success": True, "response": await done}
                except (aiohttp.ClientError, ValueError, OSError):
                    continue
            return {"success": False, "response": {}}
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def answer(status: int, value) -> Response:
    body = json.dumps(value, separators=(",", ":"))
    return Response(body, status=status, mimetype="application/json")


@app.get("/api/smart")
async def smart():
    timeout = request.args.get("timeout", default=60_000, type=int)
    try:
        return answer(200, await asyncio.wait_for(race(), timeout / 1_000))
    except asyncio.TimeoutError:
        return answer(408, {"title": "Request Timeout", "status": 408})
