#!/bin/bash
# The catalogue of networks, and what files are: thaw networks. Usage: test_networks.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

# column NAME: the values of a member of the listed networks, one per line.
column() { grep -o "\"$1\": \"*[^,\"}]*" out | sed 's/.*: "*//'; }
falls() { column "$1" | sort -rgc; }

run "$thaw" networks --limit 0 --json
check "networks are listed" eval 'exits 0 && [ "$(column top1 | wc -l)" -gt 50 ]'
check "the most accurate first" falls top1
check "with their licences" eval '[ "$(column licence | grep -c .)" -eq "$(column name | wc -l)" ]'
cp out all
run "$thaw" networks --limit 3 --json
check "the first of them" eval 'exits 0 && [ "$(column name | wc -l)" -eq 3 ]'
run "$thaw" networks --limit 0 --find resnet18 --json
check "by name" eval 'exits 0 && [ "$(column name | grep -c resnet18)" -eq "$(column name | wc -l)" ] && out_has resnet18.a1_in1k'
run "$thaw" networks --limit 0 --find ResNet18 --json
check "in any case" eval 'exits 0 && out_has resnet18.a1_in1k'
run "$thaw" networks --limit 0 --fits 1G --json
check "by memory" eval 'exits 0 && [ -z "$(column training_bytes | awk "\$1 > 2^30")" ] && [ "$(column name | wc -l)" -lt "$(grep -o \"name\" all | wc -l)" ]'
run "$thaw" networks --limit 0 --fits 1G --batch 64 --json
check "larger batches take more" eval 'exits 0 && ! out_has resnet18.a1_in1k'
run "$thaw" networks --limit 0 --faster-than 0.2s --json
check "by time" eval 'exits 0 && [ -z "$(column milliseconds | awk "\$1 >= 200")" ] && out_has mobilenetv2_100'
run "$thaw" networks --limit 0 --licence APACHE --json
check "by licence" eval 'exits 0 && ! column licence | grep -qv apache'
run "$thaw" networks --faster-than 30
check "a time without a unit" fails 64 "not a time" 30ms
run "$thaw" networks --fits much
check "no size" fails 64 "not a size" 8G
run "$thaw" networks --find nothing-like-that
check "none is found" prints "0 of 0 networks"
run "$thaw" networks --limit 2
check "as a table" prints "network" "licence" "Fetch one from the Hub as timm/NAME"

"$thaw" export cifar_resnet8 --safetensors net.safetensors >/dev/null 2>&1
echo text >note.txt
run "$thaw" networks net.safetensors note.txt none
check "what files are" prints "cifar_resnet8" "parameters" "note.txt: refused: not a weight file" "none: refused"
run "$thaw" networks net.safetensors --find net
check "flags of the list are not for files" fails_once 64 "--find"
run "$thaw" networks net.safetensors --json
check "as JSON" prints '"network": "cifar_resnet8"' '"classifier": true'

finish
