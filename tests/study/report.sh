#!/bin/bash
# The tables of the study, in Markdown: the accuracy lost by the advice, compared with simple rules.
#   report.sh FOLDER [ADVICE]
# Reads networks, truth.jsonl (grid.sh) and advice.jsonl (advise.sh) of FOLDER, or another file of advice, such as one
# made by a program tuned without the dataset in question. Of several lines with one key the last counts. The tables
# contain the cells with a complete grid and advice; the others are named below them.
set -euo pipefail
here=$(realpath "$(dirname "$0")") folder=$1 advice=${2:-$1/advice.jsonl}
# shellcheck source=tests/study/cells.bash
source "$here/cells.bash"

# Writes lines of a type and its fields; "-" is an empty field, since awk splits at spaces.
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
