#!/usr/bin/env python3
"""A small Hub on this machine, of Python's standard library: what the Hugging Face Hub answers to readers of models.

Two ports of 127.0.0.1: the Hub itself (API, small files, redirects) and a storage host (ranges of large files behind
signed addresses). Every request is logged. Faults are planted by name. `check_hub.py` proves with the real client of
the Hub that it behaves as the Hub does, and then tries Tritsmith against it.

    ROOT/OWNER/NAME/REVISION/files...        one folder for each revision

Run by itself it serves until it is stopped:  hub_server.py ROOT [--latency-ms 20]
"""

import argparse
import hashlib
import json
import os
import re
import socket
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGE = (".safetensors", ".gguf", ".bin", ".tritpack")
LARGE_BYTES = 10 << 20
# A wrong bit in every byte, the lowest: numbers stay ordinary.
WRONG = bytes(byte ^ 1 for byte in range(256))


class Blob:
    """A file of a revision."""

    def __init__(self, path, name):
        self.path, self.name = path, name
        self.size = os.path.getsize(path)
        self.is_large = name.endswith(LARGE) or self.size > LARGE_BYTES
        digest, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % self.size)
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
                git.update(part)
        self.sha256, self.git = digest.hexdigest(), git.hexdigest()

    @property
    def etag(self):
        return self.sha256 if self.is_large else self.git


class Repository:
    def __init__(self, folder):
        self.revisions, self.commits = {}, {}
        for revision in sorted(os.listdir(folder)):
            blobs = {}
            top = os.path.join(folder, revision)
            for place, _, names in os.walk(top):
                for name in names:
                    path = os.path.join(place, name)
                    inner = os.path.relpath(path, top)
                    blobs[inner] = Blob(path, inner)
            text = revision + "".join(name + blobs[name].etag for name in sorted(blobs))
            commit = hashlib.sha1(text.encode()).hexdigest()
            self.revisions[revision.replace("%2F", "/")] = commit
            self.commits[commit] = blobs

    def commit(self, revision):
        return revision if revision in self.commits else self.revisions.get(revision)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # With Python's five, more connections at once wait a second for the system to try again, which no real host does.
    request_queue_size = 128


class Hub:
    """Both servers, their log, and the faults planted."""

    def __init__(self, root, latency=0.0, token=None, gated=()):
        self.repositories = {}
        for owner in sorted(os.listdir(root)):
            for name in sorted(os.listdir(os.path.join(root, owner))):
                self.repositories[f"{owner}/{name}"] = Repository(os.path.join(root, owner, name))
        self.latency, self.token, self.gated = latency, token, set(gated)
        self.log, self.lock = [], threading.Lock()
        self.faults = {}
        self.generation = 0
        self.hub = self.serve(HubHandler)
        self.storage = self.serve(StorageHandler)

    def serve(self, handler):
        server = Server(("127.0.0.1", 0), type("Bound", (handler,), {"owner": self}))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    @property
    def endpoint(self):
        return "http://127.0.0.1:%d" % self.hub.server_address[1]

    @property
    def storage_origin(self):
        return "http://127.0.0.1:%d" % self.storage.server_address[1]

    def plant(self, name, times=1 << 30, after=0, **values):
        """A fault that is met `times` times, after so many requests it would have met."""
        with self.lock:
            self.faults[name] = {"left": times, "after": after, **values}

    def meets(self, name, count=0):
        """The fault, where it is planted and met by an answer of `count` bytes."""
        with self.lock:
            fault = self.faults.get(name)
            if not fault or count < fault.get("least", 0):
                return None
            if fault["after"] > 0:
                fault["after"] -= 1
                return None
            if fault["left"] <= 0:
                return None
            fault["left"] -= 1
            return fault

    def reset(self):
        with self.lock:
            self.faults, self.log = {}, []

    def note(self, entry):
        with self.lock:
            self.log.append(entry)

    def stored(self):
        """Bytes the storage host sent."""
        with self.lock:
            return sum(entry["sent"] for entry in self.log if entry["host"] == "storage")

    def sent(self, suffix=""):
        with self.lock:
            return sum(entry["sent"] for entry in self.log if urllib.parse.urlparse(entry["path"]).path.endswith(suffix))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None
    host = ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.answer()

    def do_HEAD(self):
        self.answer()

    def answer(self):
        if self.owner.latency:
            time.sleep(self.owner.latency)
        self.entry = {
            "host": self.host, "method": self.command, "path": self.path, "range": self.headers.get("Range"),
            "token": self.headers.get("Authorization"), "sent": 0, "status": 0,
        }
        self.owner.note(self.entry)
        try:
            self.respond()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def say(self, status, headers=(), body=b""):
        self.entry["status"] = status
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
            self.entry["sent"] += len(body)
        self.wfile.flush()

    def refuse(self, status, code, message, extra=()):
        body = json.dumps({"error": message}).encode()
        headers = [("X-Error-Code", code), ("X-Error-Message", message)] if code else []
        self.say(status, headers + [("Content-Type", "application/json")] + list(extra), body)

    def passing_fault(self):
        if self.owner.meets("500"):
            self.refuse(500, "", "Internal Error")
            return True
        if fault := self.owner.meets("429"):
            self.refuse(429, "", "Too Many Requests", [("Retry-After", str(fault.get("seconds", 1)))])
            return True
        return False

    def send_file(self, blob, etag, extra=()):
        """A file or a range of it, with the faults of transfers."""
        start, end, status = 0, blob.size, 200
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if match and not self.owner.meets("no-ranges"):
            start = int(match[1])
            end = min(blob.size, int(match[2]) + 1 if match[2] else blob.size)
            status = 206
            if start >= end:
                return self.say(416, [("Content-Range", f"bytes */{blob.size}")])
        if self.owner.meets("changed-etag"):
            etag = "0" * len(etag)
        total = blob.size + (1 if self.owner.meets("changed-size") else 0)
        if self.owner.meets("wrong-range"):
            start, end = start + 1, min(end + 1, blob.size)
        count = end - start
        short = self.owner.meets("short")
        # The length of what is sent is right, and it is less than was asked for.
        announced = max(1, count // 2) if short else count
        self.entry["status"] = status
        self.send_response(status)
        self.send_header("Content-Length", str(announced))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{etag}"')
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{total}")
        for name, value in extra:
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return self.wfile.flush()
        if self.owner.meets("dead", count):
            self.wfile.flush()
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        cut = self.owner.meets("cut", count) if count > 4096 else None
        wrong = self.wrong_part(blob.path, start, end)
        left = announced // 2 if cut else announced
        slow = self.owner.faults.get("slow")
        with open(blob.path, "rb") as file:
            if not wrong and not slow:
                # A host of files takes little of a machine to send them, and here it is the machine that is measured.
                self.wfile.flush()
                try:
                    self.connection.sendfile(file, start, left)
                finally:
                    self.entry["sent"] += max(0, file.tell() - start)
                left = 0
            file.seek(start)
            while left > 0:
                part = file.read(min(left, 1 << 18))
                if not part:
                    break
                if wrong:
                    position = start + announced - left
                    first, last = (min(len(part), max(0, place - position)) for place in wrong)
                    part = part[:first] + part[first:last].translate(WRONG) + part[last:]
                self.wfile.write(part)
                self.entry["sent"] += len(part)
                left -= len(part)
                if slow:
                    self.wfile.flush()
                    time.sleep(slow.get("seconds", 0.01))
        self.wfile.flush()
        if cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


    def wrong_part(self, path, start, end):
        """The bytes of weights that are to be wrong: of a planted range, in samples, which are small, or in all else."""
        fault = self.owner.faults.get("wrong")
        if not fault or not path.endswith(".safetensors") or fault["samples"] != (end - start <= 8192):
            return None
        first, last = max(start, fault["begin"]), min(end, fault["end"])
        return (first, last) if first < last and self.owner.meets("wrong") else None


class HubHandler(Handler):
    host = "hub"

    def find(self, name):
        """The repository, or None after an answer."""
        authorized = self.owner.token is not None and self.headers.get("Authorization") == "Bearer " + self.owner.token
        if name in self.owner.gated and not authorized:
            self.refuse(401, "GatedRepo", f"Access to model {name} is restricted. You must have access to it.")
            return None
        repository = self.owner.repositories.get(name)
        if repository is None:
            # To strangers the Hub does not tell what does not exist from what is private.
            status = 404 if authorized else 401
            self.refuse(status, "RepoNotFound", "Repository not found" if authorized else "Invalid username or password.")
        return repository

    def respond(self):
        url = urllib.parse.urlparse(self.path)
        parts = [urllib.parse.unquote(part) for part in url.path.strip("/").split("/")]
        query = urllib.parse.parse_qs(url.query)
        if self.passing_fault():
            return
        if parts[:2] == ["api", "models"] and len(parts) >= 4:
            return self.api("/".join(parts[2:4]), parts[4:], query)
        if len(parts) >= 5 and parts[2] == "resolve":
            return self.resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        self.refuse(404, "", "Not Found")

    def api(self, name, rest, query):
        repository = self.find(name)
        if repository is None:
            return
        if rest == ["refs"]:
            branches = [
                {"name": revision, "ref": "refs/heads/" + revision, "targetCommit": commit}
                for revision, commit in repository.revisions.items()]
            body = {"tags": [], "branches": branches, "converts": []}
            return self.say(200, [("Content-Type", "application/json")], json.dumps(body).encode())
        revision = rest[1] if len(rest) > 1 else "main"
        commit = repository.commit(revision)
        if commit is None:
            return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        blobs = repository.commits[commit]
        if rest[:1] == ["tree"]:
            entries = []
            for inner, blob in sorted(blobs.items()):
                entry = {"type": "file", "oid": blob.git, "size": blob.size, "path": inner}
                if blob.is_large:
                    entry["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": 134}
                entries.append(entry)
            return self.say(200, [("Content-Type", "application/json")], json.dumps(entries).encode())
        siblings = []
        for inner, blob in sorted(blobs.items()):
            entry = {"rfilename": inner}
            if "blobs" in query:
                entry |= {"blobId": blob.git, "size": blob.size}
                if blob.is_large:
                    entry["lfs"] = {"sha256": blob.sha256, "size": blob.size, "pointerSize": 134}
            siblings.append(entry)
        if fault := self.owner.meets("list"):
            siblings = fault["change"](siblings)
        body = {
            "_id": "0" * 24, "id": name, "modelId": name, "sha": commit, "private": False, "gated": False,
            "disabled": False, "downloads": 0, "likes": 0, "tags": [], "siblings": siblings,
            "createdAt": "2025-01-01T00:00:00.000Z", "lastModified": "2025-01-01T00:00:00.000Z",
        }
        text = json.dumps(body).encode()
        if self.owner.meets("no-json"):
            text = b"<!doctype html><title>Hub</title>"
        if fault := self.owner.meets("endless"):
            text = b" " * fault.get("bytes", 64 << 20)
        self.say(200, [("Content-Type", "application/json; charset=utf-8"), ("X-Repo-Commit", commit)], text)

    def resolve(self, name, revision, inner):
        repository = self.find(name)
        if repository is None:
            return
        commit = repository.commit(revision)
        if commit is None:
            return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        blob = repository.commits[commit].get(inner)
        if blob is None:
            return self.refuse(404, "EntryNotFound", "Entry not found", [("X-Repo-Commit", commit)])
        if not blob.is_large:
            return self.send_file(blob, blob.git, [("X-Repo-Commit", commit)])
        digest = "f" * 64 if self.owner.meets("changed-digest") else blob.sha256
        target = f"{self.owner.storage_origin}/{blob.sha256}?generation={self.owner.generation}&name={urllib.parse.quote(name + '@' + commit + '/' + inner, safe='')}"
        if self.owner.meets("redirect-loop"):
            target = self.owner.endpoint + self.path
        if fault := self.owner.meets("redirect-elsewhere"):
            target = fault["target"]
        self.say(
            302,
            [
                ("Location", target), ("X-Repo-Commit", commit), ("X-Linked-Size", str(blob.size)),
                ("X-Linked-ETag", f'"{digest}"'), ("ETag", f'"{hashlib.md5(digest.encode()).hexdigest()}"'),
            ],
            b"Found. Redirecting to " + target.encode(),
        )


class StorageHandler(Handler):
    host = "storage"

    def respond(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        # A storage host refuses a request that is signed in the address and has a token as well.
        if self.headers.get("Authorization"):
            return self.refuse(400, "", "Only one auth mechanism allowed")
        if query.get("generation") != [str(self.owner.generation)]:
            return self.refuse(403, "", "Request has expired")
        if self.passing_fault():
            return
        name, _, rest = query["name"][0].partition("@")
        commit, _, inner = rest.partition("/")
        blob = self.owner.repositories[name].commits[commit][inner]
        self.send_file(blob, hashlib.md5(blob.sha256.encode()).hexdigest())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("--latency-ms", type=float, default=0)
    arguments = parser.parse_args()
    hub = Hub(arguments.root, arguments.latency_ms / 1000)
    print(f"export HF_ENDPOINT={hub.endpoint}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
