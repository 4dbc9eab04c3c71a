"""Runs a job (client-jobs.ts) with the client that is named on the command line: JSON on standard input, the results
as JSON on standard output."""
import importlib
import json
import sys
import time

from client_error import ClientError


def main():
    job = json.load(sys.stdin)
    client = importlib.import_module(sys.argv[1] + "_client")
    try:
        connection = client.Connection(job)
    except ClientError as error:
        output = {"connectError": error.as_json()}
    else:
        repeated = [step for step in job["steps"] for _ in range(step.get("repeat", 1))]
        output = {"results": [result_of(connection, step) for step in repeated]}
        connection.close()
    json.dump(output, sys.stdout)


def result_of(connection, step):
    try:
        if "query" in step:
            return {"rows": [[text_of(value) for value in row] for row in connection.query(step["query"])]}
        if "changeUser" in step:
            user = step["changeUser"]
            connection.change_user(user["user"], user["password"], user.get("database"))
        elif "sleep" in step:
            time.sleep(step["sleep"])
        else:
            connection.ping()
        return {"rows": []}
    except ClientError as error:
        return {"error": error.as_json()}


def text_of(value):
    if value is None:
        return "NULL"
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


main()
