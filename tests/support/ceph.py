"""A real S3 server: one Ceph monitor, one OSD on a file and one radosgw, by hand, all on the loopback.

It is started without systemd and keeps everything below one folder, so that a test can kill it, start it again
and find its objects, or freeze its disk.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from support.processes import Process, eventually, free_port

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool", "ceph")
PACKAGES = "radosgw ceph-mon ceph-osd ceph-common"

CONFIGURATION = """\
[global]
fsid = {fsid}
run_dir = {run}
admin_socket = {run}/$name.asok
pid_file =
keyring = {root}/keyring
mon_initial_members = a
mon_host = v2:127.0.0.1:{mon_port}
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
ms_bind_ipv4 = true
ms_bind_ipv6 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
log_file = {root}/$name.log
mon_cluster_log_file = {root}/cluster.log
crash_dir = {root}/crash
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_osd_down_out_interval = 0
# a frozen disk is to stall its clients, not to be declared dead
osd_heartbeat_grace = 3600
mon_osd_report_timeout = 3600

[mon.a]
mon_data = {root}/mon
mon_data_avail_warn = 1
mon_data_avail_crit = 1
public_addr = v2:127.0.0.1:{mon_port}

[osd.0]
osd_data = {root}/osd
osd_objectstore = bluestore
bluestore_block_size = {disk_bytes}
osd_memory_target = 939524096
bluestore_fsck_on_mount = false

[client.rgw.a]
rgw_data = {root}/rgw
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_enable_usage_log = false
rgw_run_sync_thread = false
rgw_enable_lc_threads = false
rgw_enable_gc_threads = false
rgw_thread_pool_size = 32
"""


def ceph_gap() -> str:
    """Why Ceph cannot run here, in words with the remedy; "" when it can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"needs root and apt: apt-get install -y --no-install-recommends {PACKAGES} (not found: {absent[0]})"
    return ""


class CephServer:
    """One Ceph cluster with an S3 endpoint. State lives in `root` and outlives `kill()`; start() takes some 15 s."""

    access_key = "CEPHTESTACCESSKEY000"
    secret_key = "ceph-test-secret-key-0000000000000000000"
    region = "us-east-1"

    def __init__(self, root: Path, *, disk_bytes: int = 10 << 30) -> None:
        self.root = root.absolute()
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._disk_bytes = disk_bytes
        self._children: dict[str, Process] = {}
        self._formatted = False
        # admin sockets have 107 bytes for their path, which a test's folder may use up
        self._cleaning = ExitStack()
        self._run = Path(self._cleaning.enter_context(tempfile.TemporaryDirectory(prefix="ceph")))

    def __enter__(self) -> CephServer:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --- life ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Make the cluster the first time, start every daemon, return when S3 answers and the user exists."""
        try:
            if not self._formatted:
                self._format()
            self._spawn("mon", "ceph-mon", "-i", "a", *self._pinned)
            if not self._formatted:
                self._make_osd()
            self._spawn("osd", "ceph-osd", "-i", "0", *self._pinned)
            eventually(self._osd_is_up, within=60, every=0.2, what=lambda: self._complaint("osd"))
            self.start_gateway()
            if not self._formatted:
                self._make_user()
            self._formatted = True
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End all daemons in order; the objects stay for the next start()."""
        self.thaw_osd()
        for name in ("rgw", "osd", "mon"):
            if name in self._children:
                self._children.pop(name).stop()

    def kill(self) -> None:
        """SIGKILL for every daemon at once, as a power cut; start() brings the same objects back."""
        for child in self._children.values():
            child.signal(signal.SIGKILL)
        for name in tuple(self._children):
            self._children.pop(name).kill()

    def close(self) -> None:
        """Kill it and remove the sockets' folder. `root` belongs to the caller."""
        self.kill()
        self._cleaning.close()

    def kill_gateway(self) -> None:
        """SIGKILL for the radosgw alone: whatever it was at is cut off, and nobody listens on its port."""
        self._children.pop("rgw").kill()

    def start_gateway(self) -> None:
        """Start the radosgw again and return when it answers."""
        self._spawn("rgw", "radosgw", "-n", "client.rgw.a", *self._pinned)
        eventually(self._answers, within=90, every=0.1, what=lambda: self._complaint("rgw"))

    def freeze_osd(self) -> None:
        """Stall the disk: requests hang, and a write whose client gave up may still land after thaw_osd()."""
        self._children["osd"].signal(signal.SIGSTOP)

    def thaw_osd(self) -> None:
        """Let a frozen disk go on; harmless when it is not frozen."""
        if "osd" in self._children:
            self._children["osd"].signal(signal.SIGCONT)

    # --- use ----------------------------------------------------------------------------------------------

    def client(self) -> Any:
        """A plain boto3 client: path-style, no default checksums, one attempt per request."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"total_max_attempts": 1},
            ),
        )

    def new_bucket(self) -> str:
        """Create an empty bucket with a name of its own and return the name."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name

    def limit_buckets(self, objects: int) -> None:
        """From now on a bucket of the user takes so many objects; a write beyond is answered 403 QuotaExceeded."""
        self._quota("set", "--max-objects", str(objects))
        self._quota("enable")

    def unlimit_buckets(self) -> None:
        """Lift that again."""
        self._quota("disable")

    def _quota(self, *words: str) -> None:
        admin = ("radosgw-admin", "--conf", self._pinned[-1], "quota", words[0])
        self._do(*admin, "--uid", "syncd", "--quota-scope", "bucket", *words[1:])

    # --- making the cluster -------------------------------------------------------------------------------

    @property
    def _pinned(self) -> tuple[str, ...]:
        return ("-f", "--conf", str(self.root / "ceph.conf"))

    def _spawn(self, name: str, *argv: str) -> None:
        self._children[name] = Process(argv, log=self.root / f"{name}.out")

    def _do(self, *argv: str) -> str:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stderr}{self._complaint('mon')}")
        return done.stdout

    def _format(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        for name in ("mon", "osd", "rgw", "crash"):
            (self.root / name).mkdir(parents=True)
        fsid, mon_port = str(uuid.uuid4()), free_port()
        (self.root / "ceph.conf").write_text(
            CONFIGURATION.format(
                fsid=fsid,
                root=self.root,
                run=self._run,
                mon_port=mon_port,
                port=self.port,
                disk_bytes=self._disk_bytes,
            )
        )
        caps = [word for part in ("mon", "osd", "mgr") for word in ("--cap", part, "allow *")]
        keyring = str(self.root / "keyring")
        self._do("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        for name in ("client.admin", "client.rgw.a", "osd.0"):
            self._do("ceph-authtool", keyring, "--gen-key", "-n", name, *caps)
        monmap = str(self.root / "monmap")
        address = f"[v2:127.0.0.1:{mon_port}/0]"
        self._do("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, "--clobber", monmap)
        self._do("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring, "--conf", self._pinned[-1])

    def _ceph(self, *argv: str) -> str:
        return self._do("ceph", "--conf", self._pinned[-1], "--connect-timeout", "30", *argv)

    def _make_osd(self) -> None:
        identity = str(uuid.uuid4())
        self._ceph("osd", "new", identity, "0")
        self._ceph("osd", "crush", "add", "osd.0", "1.0", "root=default", "host=loopback")
        self._do("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity, *self._pinned)

    def _make_user(self) -> None:
        self._do(
            *("radosgw-admin", "--conf", self._pinned[-1], "user", "create"),
            *("--uid", "syncd", "--display-name", "syncd"),
            *("--access-key", self.access_key, "--secret-key", self.secret_key),
        )

    # --- looking at it ------------------------------------------------------------------------------------

    def _osd_is_up(self) -> bool:
        return "1 up" in self._ceph("osd", "stat")

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.endpoint, timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def _complaint(self, name: str) -> str:
        child = self._children.get(name)
        return f"{name} {'runs' if child and child.running else 'is not running'}\n{child.said() if child else ''}"
