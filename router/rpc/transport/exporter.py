"""The endpoint for Prometheus: a plain HTTP server in its own threads."""

from prometheus_client import CollectorRegistry, start_http_server

from router.rpc.transport.address import CannotListen, bound_address, check_address


def check_metrics_address(address: str) -> None:
    """Try an address; raises CannotListen."""
    if address.startswith("unix:"):
        raise CannotListen(address, "must be host:port")
    check_address(address)


class Exporter:
    """Serves the metrics of one registry until it is closed."""

    def __init__(self, registry: CollectorRegistry, address: str) -> None:
        """Listen.

        Raises
        ------
        CannotListen
            The address is taken or is none.
        """
        check_metrics_address(address)
        host, _, port = address.rpartition(":")
        try:
            self._server, self._thread = start_http_server(
                int(port), host.strip("[]"), registry
            )
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise CannotListen(address, why) from error
        self.address = bound_address(address, self._server.server_port)
        """Where it listens: the port is the one that was bound."""

    def close(self) -> None:
        """End the server and its thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
