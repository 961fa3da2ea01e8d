// Package home is the one place that knows the files of an ipfs_kit home
// (~/.ipfs_kit): it finds, reads, writes and locks them, in both of upstream's
// layouts, beside Python programs that lock nothing and write in place.
package home
