package httpapi

import (
	"regexp"
	"strconv"
)

var versionForm = regexp.MustCompile(`^"([1-9][0-9]{0,15})"$`)

// expectedVersion is the version that the preconditions of a PUT name: 0 for a thing that must be new. required is the error where they name none.
func expectedVersion(ifMatch, ifNoneMatch string, required error) (int64, error) {
	switch {
	case ifMatch == "" && ifNoneMatch == "":
		return 0, required
	case ifMatch != "" && ifNoneMatch != "":
		return 0, ErrInvalid.Field("header.If-None-Match", "If-Match and If-None-Match exclude each other")
	case ifNoneMatch == "*":
		return 0, nil
	case ifNoneMatch != "":
		return 0, ErrInvalid.Field("header.If-None-Match", "only * is possible here")
	}
	groups := versionForm.FindStringSubmatch(ifMatch)
	if groups == nil {
		return 0, ErrInvalid.Field("header.If-Match", "expected one entity tag as GET gives it, like \"3\"")
	}
	version, err := strconv.ParseInt(groups[1], 10, 64)
	if err != nil {
		return 0, ErrInvalid.Field("header.If-Match", "the version is out of range")
	}
	return version, nil
}
