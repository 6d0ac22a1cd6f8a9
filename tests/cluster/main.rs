//! Clusters of real processes, through the command line and HTTP only, as a user would run them.

mod cluster;
mod first_day;
