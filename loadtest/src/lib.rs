//! The load test harness of Causeway: its room is prepared, its content comes with the benchmarks.
