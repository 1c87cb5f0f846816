#!/bin/bash
# The study's tables, in Markdown: what the advice costs in accuracy beside simple rules.
#   report.sh FOLDER [ADVICE]
# Reads networks, truth.jsonl (grid.sh) and advice.jsonl (advise.sh) of FOLDER, or another file of advice, such as one
# that was learned without the dataset it is about. Of several lines of one key the last counts. Tables hold the cells
# whose grid is whole and which have advice; the others are named below them.
set -euo pipefail
here=$(realpath "$(dirname "$0")") folder=$1 advice=${2:-$1/advice.jsonl}
# shellcheck source=tests/study/cells.bash
source "$here/cells.bash"

# A word per line says what the rest is; an empty field would vanish between spaces, so "-" stands for nothing.
facts() {
	cells | while read -r network dataset per_class; do
		echo "cell $network $dataset $per_class $(tests_of "$dataset")"
	done
	while read -r network _ _ cuts; do echo "network $network $cuts"; done < "$folder/networks"
	jq -r '"run \(.key) \(.top1) \(.cpu_seconds) \(if .loss == null then "failed" else "-" end)"' "$folder/truth.jsonl"
	[ ! -e "$advice" ] ||
		jq -r '"advice \(.key) \(.unfreeze // "-") \(.lr // "-") \(.expected.low // "-") \(.expected.high // "-") " +
			"\(.cpu_seconds) \(.thaw)"' "$advice"
}

facts | awk -f "$here/statistics.awk" -f "$here/rules.awk" -f "$here/facts.awk" -f "$here/report.awk" \
	-v rates="$rates" -v head_rates="$head_rates"
