//! Configuration files as people write them, the manual that must know every key, and the watch.

mod files;
mod live;
mod manual;
mod refusals;
mod watch;

use std::path::Path;

use causeway::config::{ConfigError, ConnectorConfig, ProxyConfig};

const PROXY: &str = "\
[tunnel]
external_host = \"cp.example.com\"
[tunnel.tls]
certificate = \"server.crt\"
private_key = \"server.key\"
client_ca = \"/etc/ca.crt\"
[tenancy]
subaccount_id = \"alpha\"
";

const CONNECTOR: &str = "\
[subaccount]
id = \"alpha\"
[tls]
certificate = \"c.crt\"
private_key = \"c.key\"
ca = \"ca.crt\"
[[channel]]
endpoint = \"cp.example.com/echo\"
local_port = 5001
[[channel]]
endpoint = \"tcp://[::1]:8443/other\"
local_port = 5002
";

fn proxy(text: &str) -> Result<ProxyConfig, ConfigError> {
    ProxyConfig::parse(text, Path::new("/base"))
}

fn connector(text: &str) -> Result<ConnectorConfig, ConfigError> {
    ConnectorConfig::parse(text, Path::new("/base"))
}
