"""A worker that does what it is told, right or wrong. Run by tests as ``python -m``."""

import json
import os
import sys
import time


def main() -> None:
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        request = json.loads(line)
        match request["do"]:
            case "answer":
                out.write(json.dumps({"bytes": request["size"]}).encode() + b"\n" + bytes(request["size"]))
            case "hang":
                time.sleep(60)
            case "die":
                os._exit(3)
            case "half":
                out.write(b'{"bytes": 100}\nhalf')
                out.flush()
                os._exit(0)
            case "junk":
                out.write(b"Segmentation fault\n")
            case "boast":
                out.write(b'{"bytes": 999999999999}\n')
        out.flush()


if __name__ == "__main__":
    main()
