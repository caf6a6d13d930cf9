"""The names on the wire: interfaces and errors. `io.syncd.varlink` describes them."""

from __future__ import annotations

INTERFACE = "io.syncd"
SERVICE = "org.varlink.service"
SCHEMA_VERSION = 1

PERMISSION_DENIED = "io.syncd.PermissionDenied"
NOT_FOUND = "io.syncd.NotFound"
BAD_REQUEST = "io.syncd.BadRequest"
HALTED = "io.syncd.Halted"
CONFIG_INVALID = "io.syncd.ConfigInvalid"
UNAVAILABLE = "io.syncd.Unavailable"
CHANGED = "io.syncd.Changed"
TIMEOUT = "io.syncd.Timeout"
FAILED = "io.syncd.Failed"
BUSY = "io.syncd.Busy"
SHUTTING_DOWN = "io.syncd.ShuttingDown"
INTERNAL_ERROR = "io.syncd.InternalError"

INTERFACE_NOT_FOUND = "org.varlink.service.InterfaceNotFound"
METHOD_NOT_FOUND = "org.varlink.service.MethodNotFound"
INVALID_PARAMETER = "org.varlink.service.InvalidParameter"
EXPECTED_MORE = "org.varlink.service.ExpectedMore"
