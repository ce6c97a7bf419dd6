"""The network between load generator and service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from model.setting import Setting


@dataclass(frozen=True, slots=True)
class Network:
    """The network between load generator and service."""

    one_way_s: Annotated[
        float,
        Ge(0),
        Setting(
            "one-way delay, added to the delay of the loopback device in the cost table",
            "s",
            "incident: everything on one machine",
            0,
            0.5,
        ),
    ] = 0.0
    loss: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting("probability that a connection attempt is lost", "", "loopback loses none", 0, 0.2),
    ] = 0.0
    timer_wheel: Annotated[
        bool,
        Setting(
            "connection attempts that were lost are repeated in batches, as Linux's timers run "
            "(after 1, 2, 3, 4, 5, 7, 11 s and so on). If the service's listener has room for one "
            "of a batch, the clients of all of it believe that they are connected; what they send "
            "is lost until there is room. Off: each attempt is repeated at its own time (1, 3, 7, "
            "15, 31 s), and whoever is connected has a place",
            source="Linux 6.5 and later: tcp_syn_linear_timeouts; calc_index in "
            "kernel/time/timer.c; tcp_conn_request and tcp_v4_syn_recv_sock in net/ipv4 look for "
            "room at the SYN and again at the last ACK; measured with k6 1.8 and a full listener "
            "(docs/validation.md)",
        ),
    ] = False
