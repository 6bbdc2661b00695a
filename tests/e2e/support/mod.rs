//! What the end-to-end tests share: the list of tests, a world of certificates and mappings with a
//! running proxy and connectors, services behind it, and clients in front of it.

#![allow(unused_imports)] // each name is for whichever test needs it

mod api;
mod ask;
mod balancer;
mod child;
mod client;
mod command;
mod counts;
mod crowd;
mod cut_relay;
mod disk;
mod figures;
mod flow;
pub mod http2;
mod kernel;
mod managed;
mod mapping;
mod measured;
mod neighbour;
mod pair;
mod pattern;
mod plain;
mod port;
mod relay;
mod service;
mod site;
mod speak;
mod suite;
mod tls_client;
mod wait;
mod world;

pub use api::{Api, exchange as exchange_http, exchange_on};
pub use ask::{Answer, Ask};
pub use balancer::{Balancer, Replica};
pub use child::{Process, get, sh};
pub use client::{all_warm, assert_reset, exchange, problem_of};
pub use command::{Finished, run, run_for};
pub use counts::{buffer_bytes, count, wait_ended};
pub use crowd::{Crowd, echo_for_crowds};
pub use cut_relay::{Cut, CutRelay};
pub use disk::Disk;
pub use flow::Flow;
pub use kernel::{Held, held_sockets};
pub use managed::{ACCOUNT, Managed, REGION, subaccount_body};
pub use mapping::{ServiceMapping, put};
pub use measured::Measured;
pub use neighbour::{Neighbour, beside_a_neighbour, give_way};
pub use pair::{Manner, Pair, RECOVERY, echo_byte, metric, open_echo, resident_bytes};
pub use pattern::Pattern;
pub use plain::{
    End, bounded, connect, read_to_end, read_up_to, reset, wait_acknowledged, write_until_aborted,
    write_up_to,
};
pub use port::HeldPort;
pub use relay::{Relay, join};
pub use service::Service;
pub use site::{Running, Site};
pub use speak::{
    Reply, client_config, client_of, connect_head, dial, dial_plain, expect_established,
    is_closed_by_now, is_turned_away, open_service, open_service_from, ping,
};
pub use suite::{Suite, mode, set_mode};
pub use tls_client::{ClientFiles, TlsStream, open_stream, tls_connect};
pub use wait::{DEADLINE, wait_until};
pub use world::{HOST, World, connector_head, valid_now};
