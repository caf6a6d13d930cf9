"""What botocore reads of its own data: the models of the services that are asked, and nothing of all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import botocore.session

ASKED = ("s3", "signin", "sso", "sso-oidc", "sts")
"""The services that are sent requests to: ours, and those that hand out credentials."""

ENDPOINTS = frozenset({"s3", "sso", "portal.sso", "oidc", "sts"})
"""The same as the table of legacy endpoints calls them, where it has them."""


def read_only_asked(session: botocore.session.Session) -> None:
    """Let a session without a client read no more than that: 20 ms and 7 MB less for each client."""
    from botocore.loaders import Loader

    class AskedModels(Loader):
        """The session's own loader but for that."""

        def list_available_services(self, type_name: str) -> list[str]:
            """Those that may be loaded. botocore would look into the folder of each service that it has."""
            return list(ASKED)

        def load_data_with_path(self, name: str) -> tuple[Any, str]:
            """That file, once, and where it was found."""
            data, path = super().load_data_with_path(name)
            if name == "endpoints":
                for partition in data.get("partitions", ()):
                    services = partition.get("services", {})
                    partition["services"] = {name: services[name] for name in services.keys() & ENDPOINTS}
            return data, path

    paths = session.get_component("data_loader").search_paths
    session.register_component(
        "data_loader", AskedModels(extra_search_paths=[*paths], include_default_search_paths=False)
    )
