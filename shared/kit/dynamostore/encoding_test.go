package dynamostore

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/klauspost/compress/zstd"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
)

// shopCommits are commits of a shop in the order in which they were made there: orders, and what
// followed from each. Personal data in them is ciphertext.
func shopCommits(t testing.TB) []es.StoredCommit {
	t.Helper()
	file, err := os.ReadFile("testdata/shop.json")
	var commits []es.StoredCommit
	if err == nil {
		err = json.Unmarshal(file, &commits)
	}
	if err != nil || len(commits) != 100 {
		t.Fatalf("%d commits, %v", len(commits), err)
	}
	return commits
}

var ids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// shopCommit is the shop's first commit with the events of its first n. Beyond the hundredth the
// same come again, of other orders.
func shopCommit(t testing.TB, n int) es.StoredCommit {
	t.Helper()
	commits := shopCommits(t)
	out := commits[0]
	out.Events = nil
	for i := range n {
		e := commits[i%len(commits)].Events[0]
		e.Data = ids.ReplaceAllFunc(e.Data, func(id []byte) []byte {
			if i < len(commits) {
				return id
			}
			return []byte(ident.Derive("another order", string(id), fmt.Sprint(i/len(commits))))
		})
		out.Events = append(out.Events, e)
	}
	return out
}

// encoding is a way to keep the events of a commit in an item. The rest of the item is the same
// with each.
type encoding struct {
	name   string
	encode func(es.StoredCommit) (attributes, error)
	decode func(attributes) ([]es.Stored, error)
}

func decodeEvents(item attributes) ([]es.Stored, error) {
	r := read(item)
	return r.events(), r.Err()
}

func bytesOf(v types.AttributeValue) []byte { return v.(*types.AttributeValueMemberB).Value }

// encodings are those that were weighed against each other, and the present one.
func encodings(t testing.TB) []encoding {
	compressor := func(level zstd.EncoderLevel) func([]byte) types.AttributeValue {
		z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level))
		if err != nil {
			t.Fatal(err)
		}
		return func(plain []byte) types.AttributeValue {
			return &types.AttributeValueMemberB{Value: z.EncodeAll(plain, nil)}
		}
	}
	fastest, thorough := compressor(zstd.SpeedFastest), compressor(zstd.SpeedDefault)
	z, err := decoder()
	if err != nil {
		t.Fatal(err)
	}
	with := func(events func([]es.Stored) (types.AttributeValue, error)) func(es.StoredCommit) (attributes, error) {
		return func(c es.StoredCommit) (attributes, error) {
			list := c.Events
			c.Events = nil
			item := encodeItem(c)
			v, err := events(list)
			item[attrEvents] = v
			return item, err
		}
	}
	inLines := func(compress func([]byte) types.AttributeValue) func([]es.Stored) (types.AttributeValue, error) {
		return func(list []es.Stored) (types.AttributeValue, error) {
			plain, _ := lines(list)
			return compress(plain), nil
		}
	}
	unlined := func(item attributes) ([]es.Stored, error) { return unpack(bytesOf(item[attrEvents])) }
	unmarshal := func(data []byte) (list []es.Stored, err error) {
		err = json.Unmarshal(data, &list)
		return list, err
	}
	return []encoding{
		{"list", func(c es.StoredCommit) (attributes, error) { return encodeItem(c), nil }, decodeEvents},
		{"json", with(func(list []es.Stored) (types.AttributeValue, error) {
			data, err := json.Marshal(list)
			return text(string(data)), err
		}), func(item attributes) ([]es.Stored, error) {
			return unmarshal([]byte(item[attrEvents].(*types.AttributeValueMemberS).Value))
		}},
		{"json+zstd", with(func(list []es.Stored) (types.AttributeValue, error) {
			data, err := json.Marshal(list)
			return fastest(data), err
		}), func(item attributes) ([]es.Stored, error) {
			data, err := z.DecodeAll(bytesOf(item[attrEvents]), nil)
			if err != nil {
				return nil, err
			}
			return unmarshal(data)
		}},
		{"each+zstd", func(c es.StoredCommit) (attributes, error) {
			item := encodeItem(c)
			for i, e := range item[attrEvents].(*types.AttributeValueMemberL).Value {
				e.(*types.AttributeValueMemberM).Value[attrData] = fastest(c.Events[i].Data)
			}
			return item, nil
		}, func(item attributes) (out []es.Stored, err error) {
			for _, e := range item[attrEvents].(*types.AttributeValueMemberL).Value {
				r := read(e.(*types.AttributeValueMemberM).Value)
				data, err := z.DecodeAll(bytesOf(e.(*types.AttributeValueMemberM).Value[attrData]), nil)
				if err != nil {
					return nil, err
				}
				out = append(out, es.Stored{Type: r.text(attrType), Schema: int(r.number(attrSchema)), Data: data})
			}
			return out, nil
		}},
		{"lines+zstd", with(inLines(fastest)), unlined},
		{"lines+zstd-default", with(inLines(thorough)), unlined},
		{"chosen", func(c es.StoredCommit) (attributes, error) {
			item, _, err := pack(c)
			return item, err
		}, decodeEvents},
	}
}

// BenchmarkEncoding weighs the ways to keep events: the item's size and the write units that it
// costs, against the time and the allocations of making and reading it. The commits are a shop's.
func BenchmarkEncoding(b *testing.B) {
	for _, n := range []int{1, 5, 100, 1000} {
		commit := shopCommit(b, n)
		for _, e := range encodings(b) {
			item, err := e.encode(commit)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("events=%d/%s/encode", n, e.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if item, err = e.encode(commit); err != nil {
						b.Fatal(err)
					}
				}
				size := itemSize(item)
				b.ReportMetric(float64(size), "item-B")
				b.ReportMetric(float64(writeUnits(size)), "write-units")
			})
			b.Run(fmt.Sprintf("events=%d/%s/decode", n, e.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if got, err := e.decode(item); err != nil || len(got) != n {
						b.Fatal(len(got), err)
					}
				}
			})
		}
	}
}

// BenchmarkFirstCompression is what the first commit that is worth it pays for the encoder, once in
// a process.
func BenchmarkFirstCompression(b *testing.B) {
	plain, _ := lines(shopCommit(b, 5).Events)
	b.ReportAllocs()
	for b.Loop() {
		z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			b.Fatal(err)
		}
		z.EncodeAll(plain, nil)
	}
}
