"""An S3 server that costs next to nothing: it keeps key, size and checksums, and serves seeded bytes.

What it is for: beside it the cost of a client shows, which a real server hides. What it checks and what not:

- CRC64NVME is computed over every body and compared where the client names one. The bench compares it with the files.
- MD5 of bodies up to 1 MiB. Above that Content-MD5 is taken at its word, and without one the ETag is no MD5 and does
  not look like one (`...-1`), so that no client takes it for one.
- SHA-256 (the signed payload and the checksum header) and Content-MD5 of bodies up to 4 KiB; those are kept, too. A
  larger object that was put cannot be read: only what was planted is served.
- Preconditions on PUT, Complete, COPY, GET and DELETE. No signature, no policy, no version. Every bucket is there.

So the canary of syncd finds a store like AWS. Requests below /.sink/ are the bench's own (answers.Answers).
"""
