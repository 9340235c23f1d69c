package httpapi

import (
	"strconv"
	"strings"
)

// expectedVersion is the version that the preconditions of a PUT name. 0 stands for a thing that
// must be new. required is the error for a PUT without preconditions. Their forms were checked (see
// tighten).
func expectedVersion(ifMatch, ifNoneMatch string, required error) (int64, error) {
	switch {
	case ifMatch == "" && ifNoneMatch == "":
		return 0, required
	case ifMatch != "" && ifNoneMatch != "":
		return 0, ErrInvalid.Field("header.If-None-Match", "expected either If-Match or If-None-Match, got both")
	case ifNoneMatch != "":
		return 0, nil
	}
	return strconv.ParseInt(strings.Trim(ifMatch, `"`), 10, 64)
}
