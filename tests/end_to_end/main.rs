//! The real program, over real sockets and its command line, and between real peers: collectd, statsd and
//! carbon-c-relay in front of it, carbon-cache and graphite-web behind it, Prometheus, Alertmanager and Icinga beside it, and
//! Chromium before its page.
//!
//! `tests/peers/install.sh` installs the peers. A test whose peer is missing fails and says so.

mod anomaly_lifecycle;
mod api;
mod backtest_graphite;
mod backtest_inputs;
mod backtest_report;
mod carbon_c_relay_sender;
mod command_line;
mod dashboards;
mod dormant;
mod events;
mod faults;
mod faults_in_short;
mod graphite_reads;
mod groups;
mod harness;
mod history;
mod history_page;
mod hostile;
mod kinds;
mod limits;
mod notify_locally;
mod notify_over_http;
mod outlooks;
mod own_series;
mod package;
mod page;
mod prometheus_scrape;
mod real_senders;
mod relay_state;
mod reload;
mod restart;
mod said;
mod shutdown;
mod sick_upstream;
mod spool;
mod supervised;
mod telling;
mod upstream_away;
mod vanished_upstream;
mod who_may;
mod wire_table;
